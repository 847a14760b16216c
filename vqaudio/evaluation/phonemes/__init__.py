"""How much of what is said the codes tell: each code stands for a phone (van den Oord et al. 2017,
section 4.3)."""
