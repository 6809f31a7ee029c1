"""The parts of the report on speed: measurements, goals, and the page that is made from them."""
