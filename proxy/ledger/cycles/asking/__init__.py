"""Questions to an authority, and what its answers mean.

exchange    one question and its answer over HTTP
requests    what we ask
answers     what it answers, read leniently: it may know more words than we
verdicts    what its errors mean to us
"""
