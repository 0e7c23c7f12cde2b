"""Whether a rule matches, exactly and plainly; correlations over what matched; and what is then said."""
