"""The HTTP gateway: two public contracts, jobs, lists and the event feed. One module per contract.

A request walks through these modules in this order:

    access ─▶ callers ─▶ bodies ─▶ a contract ─▶ submission ─▶ waiting
    log       who        to a      what it       record,       one subscription
              calls      bound     asks for      nudge         for all
"""
