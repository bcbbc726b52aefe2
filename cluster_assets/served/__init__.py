"""Published days that can be asked: finds them in the lake, keeps them open and notices new ones."""
