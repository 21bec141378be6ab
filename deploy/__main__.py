"""``python -m deploy`` is ``fedmeta``; the launcher starts its children this way, in its own environment."""

from deploy.start import main

if __name__ == "__main__":
    main()
