"""Addresses around the API."""


class TestAddresses:
    def test_the_root_url_is_the_shop_which_leads_to_the_api_docs(self, client, db):
        assert 'href="/api/docs/"' in client.get("/").content.decode()

    def test_the_api_docs_load_nothing_from_other_sites(self, client):
        page = client.get("/api/docs/")
        assert page.status_code == 200
        assert b"/api/schema/" in client.get("/api/docs/?script=").content
        assert b"https://" not in page.content.replace(b"https://github.com", b"")  # nothing from elsewhere

    def test_the_openapi_document_is_served_to_anyone(self, client):
        assert client.get("/api/schema/").status_code == 200

    def test_livez_asks_neither_database_nor_redis(self, client):
        response = client.get("/livez")
        assert response.status_code == 200
        assert response.json() == {"status": "alive"}
