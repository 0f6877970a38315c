"""The learned denoiser: pairs with simulated quantum noise, a small residual network, its training and its package."""
