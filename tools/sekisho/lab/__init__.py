"""The lab: blank machines, cables and an access switch. It configures nothing that the product configures."""
