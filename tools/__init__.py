"""For those who receive the product's records, not for the product: never deployed."""
