"""The shop: pages for people, made from the same verbs as the API.

`urls` lists the pages, `pages` is what they have in common. They parse, call verbs and render; no rule stands
here. Must not know how an order is made, and can be turned off (STOREFRONT).
"""
