"""Recognition of crawlers by their User-Agent, and requests that are logged."""

import pytest

from recommendations.api.tracking import is_crawler


class TestCrawlers:
    @pytest.mark.parametrize(
        "user_agent",
        [
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0) Safari/537.36",
            "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
            "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
            "GPTBot/1.1",
            "our-own-crawler/1.0",
            "Scrapy/2.11 (+https://scrapy.org)",
            "Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)",
        ],
    )
    def test_user_agents_of_crawlers_are_recognised(self, user_agent):
        assert is_crawler(user_agent)

    @pytest.mark.parametrize(
        "user_agent",
        [
            "",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Mobile Safari/604.1",
            "Mozilla/5.0 (Linux; Android 9; CUBOT_X18_Plus) AppleWebKit/537.36 Chrome/83.0 Safari/537.36",
            "Mozilla/5.0 (Linux; Android 9; CUBOT) AppleWebKit/537.36 Chrome/83.0 Mobile Safari/537.36",
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
            "shop-app/3.1 okhttp/4.9.0",
            "python-requests/2.31.0",
            "x" * 100_000,
        ],
    )
    def test_user_agents_of_people_and_http_libraries_are_no_crawlers(self, user_agent):
        assert not is_crawler(user_agent)
