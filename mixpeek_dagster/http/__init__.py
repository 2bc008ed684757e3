"""What our HTTP servers share: the error envelope, request ids, the body limit, logs; and the client's side of it."""
