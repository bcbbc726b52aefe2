"""The graph of near pairs: components, degrees, forests, dendrograms."""
