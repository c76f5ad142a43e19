"""Trade: listings, prompt sets, purchases, injections, forks, ratings, warranties."""
