"""What the measuring is done with. Each instrument is a process of its own, or pure.

exchange    the bytes of a call and of its answer
answers     reads answers off a connection, at any split of the bytes
upstream    answers calls, as fast as plain Python can
generator   makes calls, and says how long they took
processes   starts and pins processes, reads their CPU time and memory
machine     how quiet the machine is and how fast its disk
disk        which disk that is
"""
