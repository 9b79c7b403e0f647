"""Workers: processes that take jobs up and train them."""
