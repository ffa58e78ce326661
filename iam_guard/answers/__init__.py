"""Questions about access that no single request asks: who can, what can, through what, and is it used."""
