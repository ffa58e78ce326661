"""HTTP/2 as far as a gRPC server with single questions and answers needs it, in the event loop of every other door.

A library with threads of its own would hand each call to a thread, and from there to the loop where decisions are made;
that costs several times as much as the decision.
"""
