"""Runs and studies as figures, tables and one page that opens offline: all of matplotlib and jinja2."""
