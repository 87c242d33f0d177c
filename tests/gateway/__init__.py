"""The HTTP gateway, through clients that know nothing of ours."""
