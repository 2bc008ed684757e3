"""What carries a service elsewhere: Bentos, Kubernetes manifests, requirements."""
