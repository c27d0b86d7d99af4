"""Version v1alpha1 of the Microservice resource."""
