"""The catalogue: which types of events there are, what their payloads look like, and how they travel.

Ours and those of the seed systems stand in built_in/; an installation adds its own in a file (CARILLON_CATALOGUE_FILE),
a tenant by PUT /v1/event-types/{name}. What a tenant declares comes before what is built in, except where that is
reserved.
"""
