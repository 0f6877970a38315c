"""Where in the image a finding was seen: class maps, gradients without torch, and maps made from gradients."""
