"""What answers: endpoints of plugins and of built-in models."""
