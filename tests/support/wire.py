"""Names that other programs know us by, in the default namespace; literal, as they have them."""

QUEUE = "tagsweep"  #: of jobs
SWEEPS, PARTS = "tagsweep.sweep", "tagsweep.parts"
STREAM = "tagsweep:events"  #: the Redis stream of completion events
EXCHANGE = "tagsweep.events"  #: their AMQP topic exchange
