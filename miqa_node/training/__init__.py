"""Everything that makes models; never imported at run time (extra [train])."""
