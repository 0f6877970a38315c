"""People and programs who sign in, and what they may do."""

COMMANDS = {
    "users": (
        "command.accounts:app | people 4 | Accounts: list, add, role, link, reset-factor, disable, enable, token."
    ),
}
CARDS = {"account_link": "page.sign_in.router:LINK"}
PAGES = {
    "accounts_api": "api.accounts:PAGE",
    "own_token_api": "api.tokens:OWN",
    "people": "page.people.router:PAGE",
    "second_factor": "page.sign_in.second:PAGE",
    "sign_in": "page.sign_in.router:PAGE",
    "sign_on": "page.sign_in.sign_on:PAGE",
    "tokens_api": "api.tokens:PAGE",
}
