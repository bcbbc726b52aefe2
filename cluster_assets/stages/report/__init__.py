"""Stage `report`: the HTML page of a day."""
