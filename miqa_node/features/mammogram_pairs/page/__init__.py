"""The note on pairs of mammograms on the page of their study."""
