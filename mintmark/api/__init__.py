"""The JSON door, `/api/v1`: each endpoint parses, makes one call and renders; errors are RFC 9457 problem details."""
