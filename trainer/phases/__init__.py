"""The two phases of post-training, RCE and GRPO, and what is measured of them."""
