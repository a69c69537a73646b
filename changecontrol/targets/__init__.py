"""The only code that connects to a target database. It knows SQL, connections and plans, not change requests."""
