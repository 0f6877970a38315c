"""Pure types and rules: what an instance, a finding, a verdict and a delivery are."""
