"""What a plugin is: its manifest, its code, and the types that its author imports."""
