import conditions, loops, exceptions, contexts, matching, definitions, excluded
import comprehensions, asynchronous, statements, raising_ends
import annotated
