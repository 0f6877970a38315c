"""What every storey may use: the words of the domain, settings, languages, logs. It knows no pixels and no database."""
