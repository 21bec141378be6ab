"""The tests of failures in their long form: an hour of trouble for federations, and a page with what held."""
