"""How well priors predict codes, what files that one has coded weigh, and what samples are like."""
