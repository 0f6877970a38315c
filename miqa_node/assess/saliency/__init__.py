"""Where in the image a finding was seen: class maps, gradients without torch, and the maps made of them."""
