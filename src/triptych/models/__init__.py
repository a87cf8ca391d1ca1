"""Models, one file each, in folders by family."""
