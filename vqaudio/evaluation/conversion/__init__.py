"""Whether the voice can be changed and the words kept, and what of the speaker is in the codes (van
den Oord et al. 2017, section 4.3)."""
