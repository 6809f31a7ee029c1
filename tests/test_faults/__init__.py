"""Tests that give one kind of faulty inputs to every interface that it concerns."""
