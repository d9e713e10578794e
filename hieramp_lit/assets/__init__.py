"""Small pretrained weights of the embedded example, and the recipe that makes them."""
