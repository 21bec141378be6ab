"""The study: the paper's experiments as plans of real federations, what they measure, and what it says."""
