"""For use inside other frameworks."""
