"""Learning from few examples: episodes, the inner loop, the poisoned episode, what the auditor measures."""
