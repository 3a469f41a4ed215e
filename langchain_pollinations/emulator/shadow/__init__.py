"""Shadow mode: compares the emulator with the service.

It is an HTTP server on 127.0.0.1. It forwards each request to the upstream and returns the response of the upstream.
It then sends the same request to an emulator in the same process. It writes the request and both responses to a file
and reports where the emulator differs.

- `server` starts and stops the server.
- `proxy` forwards requests to the upstream.
- `captured` contains a response as it was received.
- `mirrored_keys` gives the emulator the API keys of the upstream.
- `differences` compares two responses. `shapes` compares JSON, and `event_streams` compares server-sent events.
- `redaction` removes secrets, `records` creates the lines of the file, and `journal` writes the file.
- `report` counts the differences and describes them.
"""
