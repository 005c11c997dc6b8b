"""How every study reports: records read, tables, figures and one page."""
