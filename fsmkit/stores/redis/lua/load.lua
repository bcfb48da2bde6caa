-- ARGV: key. The row without a lease.
return view()
