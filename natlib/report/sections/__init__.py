"""What a report shows, a file for each section."""
