"""Other programs that run mmderain. Each module needs an optional extra, and is imported only by its users."""
