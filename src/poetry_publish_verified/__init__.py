"""A Poetry plugin that ends a release only when the release is proven."""
